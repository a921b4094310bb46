def is_calm(accuracies, index):
    return 0 < index < len(accuracies) - 1 and min(accuracies[index - 1:index + 2]) >= CALM