def adamw(flat, gradient, first, second, step, learning_rate, weight_decay, betas):
    beta1, beta2 = betas
    flat = flat * (1 - learning_rate * weight_decay)
    first = first.lerp(gradient, 1 - beta1)
    second = second * beta2 + gradient * gradient * (1 - beta2)
    step_size = (learning_rate.double() / (1 - beta1 ** step)).to(flat.dtype)
    root_correction = (1 - beta2 ** step).sqrt().to(flat.dtype)
    flat = flat - step_size * first / (second.sqrt() / root_correction + EPSILON)
    return (flat, first, second)