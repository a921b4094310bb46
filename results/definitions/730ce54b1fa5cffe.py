def train(configurations, device='cpu', state=None):
    if len({stack_key(c) for c in configurations}) != 1:
        raise ValueError('these configurations differ in what a stack must share; see stack_key')
    device = torch.device(device)
    shared = configurations[0]
    arch, every = (shared.architecture, shared.evaluate_every)
    questions = table(shared.modulus, shared.operations)
    training = np.stack([training_rows(questions, c.train_fraction, c.seed) for c in configurations])
    samplers = [EpochSampler(np.flatnonzero(rows), c.batch_size, c.seed) for rows, c in zip(training, configurations, strict=True)]
    all_questions = torch.from_numpy(questions.questions).to(device)
    all_answers = torch.from_numpy(questions.answers).to(device)
    training_mask = torch.from_numpy(training).to(device, torch.float32)
    step_function = partial(training_step, arch=arch, betas=(shared.beta1, shared.beta2), precision=shared.precision)
    evaluate_function = partial(evaluate_rows, arch=arch, precision=shared.precision)
    if shared.compiled:
        step_function = torch.compile(step_function, fullgraph=True, dynamic=False)
        evaluate_function = torch.compile(evaluate_function, fullgraph=True, dynamic=False)

    def per_member(values, dtype):
        return torch.tensor(values, dtype=dtype, device=device)[:, None]
    fresh = state is None
    if state is None:
        state = initial_state(configurations, device)
    dtype = state.flat.dtype
    learning_rate = per_member([c.learning_rate for c in configurations], dtype)
    weight_decay = per_member([c.weight_decay for c in configurations], dtype)
    widest = max((c.batch_size for c in configurations))
    weights = torch.zeros(len(configurations), widest, dtype=dtype, device=device)
    for member, c in enumerate(configurations):
        weights[member, :c.batch_size] = 1 / c.batch_size
    step_number = torch.tensor(float(state.step), dtype=torch.float64, device=device)
    for sampler in samplers:
        sampler.drawn = state.step
    if fresh:
        _evaluate(evaluate_function, state, all_questions, all_answers, training_mask)
        yield _after_evaluation(configurations, state)
    while not all((_done(c, h) for c, h in zip(configurations, state.histories, strict=True))):
        rows = np.zeros((every, len(configurations), widest), dtype=np.int64)
        for member, sampler in enumerate(samplers):
            rows[:, member, :sampler.batch_size] = sampler.take(every)
        batches = torch.from_numpy(rows).to(device)
        flat, first, second = (state.flat, state.first, state.second)
        for batch in batches:
            step_number = step_number + 1
            flat, first, second = step_function(flat, first, second, step_number, all_questions[batch], all_answers[batch], weights, learning_rate, weight_decay)
        state = State(state.step + every, flat, first, second, state.candidate, state.histories)
        _evaluate(evaluate_function, state, all_questions, all_answers, training_mask)
        yield _after_evaluation(configurations, state)