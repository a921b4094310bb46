class Stack:

    def __init__(self, configurations, state, device):
        shared = configurations[0]
        arch, precision = (shared.architecture, shared.precision)
        questions = table(shared.modulus, shared.operations, shared.shuffled_answers)
        training = np.stack([training_rows(questions, c.train_fraction, c.seed) for c in configurations])
        self.samplers = [EpochSampler(np.flatnonzero(rows), c.batch_size, c.seed) for rows, c in zip(training, configurations, strict=True)]
        for sampler in self.samplers:
            sampler.drawn = state.step
        self.device, self.steps, self.shared = (device, state.step, shared)
        self.flat, self.first, self.second = (state.flat.clone(), state.first.clone(), state.second.clone())
        dtype = state.flat.dtype

        def per_member(values):
            return torch.tensor(values, dtype=dtype, device=device)[:, None]
        widest = max((c.batch_size for c in configurations))
        weights = torch.zeros(len(configurations), widest, dtype=dtype, device=device)
        for member, c in enumerate(configurations):
            weights[member, :c.batch_size] = 1 / c.batch_size
        self.rows = torch.zeros(len(configurations), widest, dtype=torch.int64, device=device)
        self.step = torch.tensor(float(state.step), dtype=torch.float64, device=device)
        self.columns = torch.zeros(len(configurations), 4, dtype=torch.float64, device=device)
        facts = (torch.from_numpy(questions.questions).to(device), torch.from_numpy(questions.answers).to(device))
        training_mask = torch.from_numpy(training).to(device, torch.float64)
        betas, directions = ((shared.beta1, shared.beta2), shared.adversarial_directions)
        step = partial(training_step, arch=arch, betas=betas, precision=precision, directions=directions)
        evaluation = partial(evaluate_rows, arch=arch, precision=precision)
        if shared.compiled:
            step = torch.compile(step, fullgraph=True, dynamic=False)
            evaluation = torch.compile(evaluation, fullgraph=True, dynamic=False)
        tensors = [self.flat, self.first, self.second, self.step, self.rows, *facts, weights, per_member([c.learning_rate for c in configurations]), per_member([c.weight_decay for c in configurations])]
        self._plain_step = _ready(step, *tensors, None)
        self._penalised_step = partial(step, *tensors, per_member([c.adversarial_weight for c in configurations]))
        evaluate_all = partial(_evaluate_all, evaluation=evaluation)
        self._evaluate = _ready(evaluate_all, self.columns, self.flat, *facts, training_mask)

    def advance(self, steps):
        rows = np.zeros((steps, *self.rows.shape), dtype=np.int64)
        for member, sampler in enumerate(self.samplers):
            rows[:, member, :sampler.batch_size] = sampler.take(steps)
        for batch in torch.from_numpy(rows).to(self.device):
            self.steps += 1
            self.step.add_(1)
            self.rows.copy_(batch)
            if is_penalised(self.shared, self.steps):
                self._penalised_step()
            else:
                self._plain_step()

    def evaluate(self):
        self._evaluate()
        rows: None = self.columns.tolist()
        return rows