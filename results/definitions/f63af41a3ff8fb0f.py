def principal_directions(states):
    centred = states - states.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return vectors[:, ::-1].T