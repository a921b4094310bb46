def _after_evaluation(configurations, state):
    moments = []
    done = [_done(c, h) for c, h in zip(configurations, state.histories, strict=True)]
    for member, (c, history) in enumerate(zip(configurations, state.histories, strict=True)):
        step, accuracies = (history.step[-1], history.validation_accuracy)
        if accuracies[-1] >= c.grokking_accuracy and (len(accuracies) == 1 or accuracies[-2] < c.grokking_accuracy):
            state.candidate[member] = state.flat[member]
        if is_calm(accuracies, len(accuracies) - 2):
            state.calm[member] = state.before[member]
        ended_before = len(history.step) > 1 and _done(c, _without_last(history))
        if ended_before:
            continue
        grokked = _grokked(c, history)
        just_known = grokked is not None and step == grokked + c.grokking_evaluations * c.evaluate_every
        if grokked is not None and just_known and (0 in c.moments_after_grokking):
            moments.append(Moment(member, grokked, state.candidate[member].cpu().clone()))
        on_grid = c.measure_every > 0 and step > 0 and (step % c.measure_every == 0)
        after = grokked is not None and step - grokked in c.moments_after_grokking and (step > grokked)
        if on_grid or after or done[member]:
            moments.append(Moment(member, step, state.flat[member].cpu().clone()))
        if done[member] and c.measure_last_calm:
            calm = [index for index in range(len(accuracies)) if is_calm(accuracies, index)]
            moments += [Moment(member, history.step[index], state.calm[member].cpu().clone()) for index in calm[-1:]]
    return Evaluation(state, moments, done)