def stack_key(configuration):
    c = configuration
    return (c.operations, c.architecture, c.beta1, c.beta2, c.evaluate_every, c.precision, c.compiled)