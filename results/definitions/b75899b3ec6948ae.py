def grokking_step(steps, accuracies, threshold, evaluations):
    held = 0
    for index, accuracy in enumerate(accuracies):
        held = held + 1 if accuracy >= threshold else 0
        if held == evaluations + 1:
            return steps[index - evaluations]
    return None