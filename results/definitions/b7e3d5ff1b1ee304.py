def train(configurations, device='cpu', state=None):
    if len({stack_key(c) for c in configurations}) != 1:
        raise ValueError('these configurations differ in what a stack must share; see stack_key')
    device = torch.device(device)
    fresh = state is None
    if state is None:
        state = initial_state(configurations, device)
    stack = Stack(configurations, state, device)
    if fresh:
        _record(state, stack.evaluate())
        yield _after_evaluation(configurations, state)
    while not all((_done(c, h) for c, h in zip(configurations, state.histories, strict=True))):
        stack.advance(configurations[0].evaluate_every)
        flat, first, second = (moved.clone() for moved in stack.tensors[:3])
        state = State(stack.steps, flat, first, second, state.candidate, state.histories)
        _record(state, stack.evaluate())
        yield _after_evaluation(configurations, state)