def accuracy_curve(states, directions, origin, weight, bias, answers):
    logits = np.ascontiguousarray((states @ weight + bias).T)
    along = (states - origin) @ directions.T
    effect = directions @ weight
    curve = [_accuracy(logits, answers)]
    for k in range(len(directions)):
        logits -= np.outer(effect[k], along[:, k])
        curve.append(_accuracy(logits, answers))
    return np.asarray(curve)