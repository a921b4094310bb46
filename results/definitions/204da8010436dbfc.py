def normal_distribution(x):
    exponential = torch.exp(-x * x / 2)
    density = exponential / math.sqrt(2 * math.pi)
    if x.dtype == torch.float64:
        return ((1 + torch.erf(x / math.sqrt(2))) / 2, density)
    t = 1 / (1 + 0.3275911 / math.sqrt(2) * x.abs())
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = series * exponential / 2
    return (torch.where(x < 0, tail, 1 - tail), density)