def _done(configuration, history):
    if not history.step:
        return False
    step, after = (history.step[-1], configuration.steps_after_grokking)
    if step >= configuration.steps or not math.isfinite(history.train_loss[-1]):
        return True
    grokked = None if after is None else _grokked(configuration, history)
    return grokked is not None and after is not None and (step >= grokked + after)