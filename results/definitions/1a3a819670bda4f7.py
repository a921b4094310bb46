def class_directions(states, answers, classes):
    sums = np.zeros((classes, states.shape[1]))
    np.add.at(sums, answers, states)
    counts = np.bincount(answers, minlength=classes)[:, None]
    means = sums / np.maximum(counts, 1)
    contrasts = np.where(counts > 0, means - states.mean(0), 0.0)
    _, singular_values, directions = np.linalg.svd(contrasts, full_matrices=False)
    rank = min(classes - 1, states.shape[1])
    return (directions[:rank], singular_values[:rank])