def random_directions(dimensions, seed):
    gaussian = np.random.default_rng([seed, 3]).standard_normal((dimensions, dimensions))
    q, r = np.linalg.qr(gaussian)
    return (q * np.sign(np.diag(r))).T