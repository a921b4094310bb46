def training(configurations, device='cpu', state=None, inputs=None):
    if len({stack_key(c) for c in configurations}) != 1:
        raise ValueError('these configurations differ in what a stack must share; see stack_key')
    device = torch.device(device)
    fresh = state is None
    if state is None:
        given = inputs or [None] * len(configurations)
        for c, parameters in zip(configurations, given, strict=True):
            if c.continues and parameters is None:
                raise ValueError(f'continues is {c.continues}, and the parameters of that run were not given')
        state = initial_state(configurations, device, given)
    stack = Stack(configurations, state, device)
    if fresh:
        _record(state, stack.evaluate())
        yield _after_evaluation(configurations, state)
    while not all((_done(c, h) for c, h in zip(configurations, state.histories, strict=True))):
        stack.advance(configurations[0].evaluate_every)
        flat, first, second = (moved.clone() for moved in stack.tensors[:3])
        state = State(stack.steps, flat, first, second, state.candidate, state.flat, state.calm, state.histories)
        _record(state, stack.evaluate())
        yield _after_evaluation(configurations, state)