def _grokked(configuration, history):
    return grokking_step(history.step, history.validation_accuracy, configuration.grokking_accuracy, configuration.grokking_evaluations)