def mean_share(states):
    mean = states.mean(0)
    return float(len(states) * (mean @ mean) / (states ** 2).sum())