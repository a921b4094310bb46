def subspace_overlap(one, other):
    products = one @ other.T
    squared, cosines = ([], [])
    for k in range(1, len(products) + 1):
        values = np.linalg.svd(products[:k, :k], compute_uv=False)
        squared.append(float((values ** 2).mean()))
        cosines.append(float(values.mean()))
    return (np.asarray(squared), np.asarray(cosines))