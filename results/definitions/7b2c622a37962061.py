class Stack:

    def __init__(self, configurations, state, device):
        shared = configurations[0]
        network, precision, make_step = (network_of(shared.architecture), shared.precision, named(GRADIENTS[shared.gradient]))
        questions = table(shared.modulus, shared.operations, shared.shuffled_answers)
        training = np.stack([training_rows(questions, c.train_fraction, c.seed) for c in configurations])
        self.samplers = [EpochSampler(np.flatnonzero(rows), c.batch_size, c.seed) for rows, c in zip(training, configurations, strict=True)]
        for sampler in self.samplers:
            sampler.drawn = state.step
        self.device, self.steps, self.shared = (device, state.step, shared)
        dtype = state.flat.dtype

        def per_member(values):
            return torch.tensor(values, dtype=dtype, device=device)[:, None]
        widest = max((c.batch_size for c in configurations))
        weights = torch.zeros(len(configurations), widest, dtype=dtype, device=device)
        for member, c in enumerate(configurations):
            weights[member, :c.batch_size] = 1 / c.batch_size
        self.tensors = t = Tensors(flat=state.flat.clone(), first=state.first.clone(), second=state.second.clone(), step=torch.tensor(float(state.step), dtype=torch.float64, device=device), rows=torch.zeros(len(configurations), widest, dtype=torch.int64, device=device), questions=torch.from_numpy(questions.questions).to(device), answers=torch.from_numpy(questions.answers).to(device), weights=weights, learning_rate=per_member([c.learning_rate for c in configurations]), weight_decay=per_member([c.weight_decay for c in configurations]), penalty=per_member([c.adversarial_weight for c in configurations]))
        self.columns = torch.zeros(len(configurations), 4, dtype=torch.float64, device=device)
        training_mask = torch.from_numpy(training).to(device, torch.float64)
        betas, directions = ((shared.beta1, shared.beta2), shared.adversarial_directions)

        def step(*tensors, penalised):
            make_step(Tensors(*tensors), network, betas, precision, penalised, directions)
        evaluation = partial(evaluate_rows, network=network, precision=precision)
        if shared.compiled:
            step = torch.compile(step, fullgraph=True, dynamic=False)
            evaluation = torch.compile(evaluation, fullgraph=True, dynamic=False)
        self._plain_step = _ready(partial(step, penalised=False), *t)
        self._penalised_step = partial(step, *t, penalised=True)
        evaluate_all = partial(_evaluate_all, evaluation=evaluation)
        self._evaluate = _ready(evaluate_all, self.columns, t.flat, t.questions, t.answers, training_mask)

    def advance(self, steps):
        rows = np.zeros((steps, *self.tensors.rows.shape), dtype=np.int64)
        for member, sampler in enumerate(self.samplers):
            rows[:, member, :sampler.batch_size] = sampler.take(steps)
        for batch in torch.from_numpy(rows).to(self.device):
            self.steps += 1
            self.tensors.step.add_(1)
            self.tensors.rows.copy_(batch)
            if is_penalised(self.shared, self.steps):
                self._penalised_step()
            else:
                self._plain_step()

    def evaluate(self):
        self._evaluate()
        rows: None = self.columns.tolist()
        return rows