def stack_key(configuration):
    c = configuration
    adversarial = (c.adversarial_every, c.adversarial_from, c.adversarial_directions) if c.adversarial_weight else None
    task = (c.operations, c.shuffled_answers)
    return (task, c.architecture, c.beta1, c.beta2, c.evaluate_every, c.precision, c.compiled, c.gradient, adversarial)