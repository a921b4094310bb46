def activation_spectrum(states):
    centred = states - states.mean(0)
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred)[::-1]
    return np.sqrt(np.maximum(eigenvalues, 0.0))