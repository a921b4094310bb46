def training_step(t, network, betas, precision, penalised, directions):
    if penalised:
        training.training_step(t, network, betas, precision, penalised, directions)
        return
    assert isinstance(network, Transformer)
    batch = training.Batch(t.questions[t.rows], t.answers[t.rows], t.weights)
    training.move_on(t, gradient(network, t.flat, batch, precision), betas)