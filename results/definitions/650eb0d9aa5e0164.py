def _right(accuracy, loss):
    return accuracy if math.isfinite(loss) else 0.0