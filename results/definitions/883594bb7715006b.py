def random_directions(seed, step, shape):
    gaussian = np.random.default_rng([seed, 7, step]).standard_normal(shape)
    return torch.from_numpy(np.linalg.qr(gaussian).Q)