def training_step(t, network, betas, precision, penalised, directions):
    batch = Batch(t.questions[t.rows], t.answers[t.rows], t.weights)
    penalty, random = (t.penalty, t.random if t.random.numel() else None) if penalised else (None, None)
    gradient = torch.func.grad(batch_loss)(t.flat, batch, network, precision, penalty, directions, random)
    move_on(t, gradient, betas)