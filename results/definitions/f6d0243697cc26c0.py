def stack_key(configuration):
    c = configuration
    penalty = (c.adversarial_every, c.adversarial_from, c.adversarial_directions, c.adversarial_removes)
    adversarial = penalty if c.adversarial_weight else None
    task = (c.operations, c.shuffled_answers, c.answer_classes, c.flag)
    return (task, c.architecture, c.beta1, c.beta2, c.evaluate_every, c.precision, c.compiled, c.gradient, adversarial)