def training_step(flat, first, second, step, rows, questions, answers, weights, learning_rate, weight_decay, penalty, arch, betas, precision, directions):
    batch = Batch(questions[rows], answers[rows], weights)
    gradient = torch.func.grad(batch_loss)(flat, batch, arch, precision, penalty, directions)
    moved = adamw(flat, gradient, first, second, step, learning_rate, weight_decay, betas)
    for own, new in zip((flat, first, second), moved, strict=True):
        own.copy_(new)