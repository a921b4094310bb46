def fourier_power(embedding):
    power = (np.abs(np.fft.rfft(embedding, axis=0)) ** 2).sum(1)[1:]
    return np.asarray(power / power.sum())