def move_on(t, gradient, betas):
    moved = adamw(t.flat, gradient, t.first, t.second, t.step, t.learning_rate, t.weight_decay, betas)
    for own, new in zip((t.flat, t.first, t.second), moved, strict=True):
        own.copy_(new)