def squared_gradients(configuration, parameters, questions, answers, batch_size):
    c = configuration
    generator = np.random.default_rng([c.seed, 5, batch_size])
    weights = torch.full((1, batch_size), 1 / batch_size, dtype=parameters.dtype)
    squares = []
    for _ in range(DRAWS):
        rows = generator.integers(len(answers), size=batch_size)
        batch = Batch(torch.from_numpy(questions[rows])[None], torch.from_numpy(answers[rows])[None], weights)
        gradient = torch.func.grad(batch_loss)(parameters[None], batch, network_of(c.architecture), c.precision)
        squares.append(float(gradient.double().square().sum()))
    return float(np.mean(squares))