class Stack:

    def __init__(self, configurations, state, device):
        shared, questions = (configurations[0], table_of(configurations[0]))
        network, precision = (network_of(shared.architecture), shared.precision)
        make_step = named(GRADIENTS[shared.gradient])
        training = np.stack([training_rows(questions, c.train_fraction, c.seed) for c in configurations])
        self.samplers = [sampler_of(c, questions) for c in configurations]
        for sampler in self.samplers:
            sampler.drawn = state.step
        self.device, self.steps, self.shared = (device, state.step, shared)
        self.seeds = [c.seed for c in configurations]
        dtype = state.flat.dtype

        def per_member(values):
            return torch.tensor(values, dtype=dtype, device=device)[:, None]
        removed = (len(shared.operations), shared.d_model, shared.adversarial_directions)
        is_random = shared.adversarial_weight > 0 and shared.adversarial_removes == 'random'
        widest = max((c.batch_size for c in configurations))
        weights = torch.zeros(len(configurations), widest, dtype=dtype, device=device)
        for member, c in enumerate(configurations):
            weights[member, :c.batch_size] = 1 / c.batch_size
        self.tensors = t = Tensors(flat=state.flat.clone(), first=state.first.clone(), second=state.second.clone(), step=torch.tensor(float(state.step), dtype=torch.float64, device=device), rows=torch.zeros(len(configurations), widest, dtype=torch.int64, device=device), questions=torch.from_numpy(questions.questions).to(device), answers=torch.from_numpy(questions.answers).to(device), weights=weights, learning_rate=per_member([c.learning_rate for c in configurations]), weight_decay=per_member([c.weight_decay for c in configurations]), penalty=per_member([c.adversarial_weight for c in configurations]), random=torch.zeros((len(configurations), *removed) if is_random else 0, dtype=dtype, device=device))
        self.columns = torch.zeros(len(configurations), 4, dtype=torch.float64, device=device)
        seen = (questions.questions[:, 3:] == 0).all(1)
        masks = torch.from_numpy(np.stack([training & seen, ~training & seen])).to(device, torch.float64)
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
        self._evaluate = _ready(evaluate_all, self.columns, t.flat, t.questions, t.answers, masks)

    def advance(self, steps):
        rows = np.zeros((steps, *self.tensors.rows.shape), dtype=np.int64)
        for member, sampler in enumerate(self.samplers):
            rows[:, member, :sampler.batch_size] = sampler.take(steps)
        for batch in torch.from_numpy(rows).to(self.device):
            self.steps += 1
            self.tensors.step.add_(1)
            self.tensors.rows.copy_(batch)
            if is_penalised(self.shared, self.steps):
                for member, seed in enumerate(self.seeds if self.tensors.random.numel() else []):
                    own = self.tensors.random[member]
                    own.copy_(random_directions(seed, self.steps, (own.shape[0], own.shape[1], own.shape[2])))
                self._penalised_step()
            else:
                self._plain_step()

    def evaluate(self):
        self._evaluate()
        rows: None = self.columns.tolist()
        return rows