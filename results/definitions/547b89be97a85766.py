def training_step(t, network, betas, precision, penalised, directions):
    batch = Batch(t.questions[t.rows], t.answers[t.rows], t.weights)
    penalty = t.penalty if penalised else None
    gradient = torch.func.grad(batch_loss)(t.flat, batch, network, precision, penalty, directions)
    moved = adamw(t.flat, gradient, t.first, t.second, t.step, t.learning_rate, t.weight_decay, betas)
    for own, new in zip((t.flat, t.first, t.second), moved, strict=True):
        own.copy_(new)