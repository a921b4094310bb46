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
        copies = (stack.flat.clone(), stack.first.clone(), stack.second.clone())
        state = State(stack.steps, *copies, state.candidate, state.histories)
        _record(state, stack.evaluate())
        yield _after_evaluation(configurations, state)