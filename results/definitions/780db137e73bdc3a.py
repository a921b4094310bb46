def steps_of_age(configuration, age):
    c = configuration
    steps = age / (c.learning_rate * c.weight_decay)
    return c.evaluate_every * math.ceil(round(steps / c.evaluate_every, 6))