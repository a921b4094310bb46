def is_penalised(configuration, step):
    c = configuration
    return c.adversarial_weight > 0 and step > c.adversarial_from and (step % c.adversarial_every == 0)