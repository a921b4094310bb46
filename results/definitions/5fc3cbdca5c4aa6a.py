def _accuracy(logits, answers):
    own = logits[answers, np.arange(len(answers))]
    return float((own >= logits.max(0)).mean())