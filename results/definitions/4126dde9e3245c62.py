def _after_evaluation(configurations, state):
    moments = []
    done = [_done(c, h) for c, h in zip(configurations, state.histories, strict=True)]
    for member, (c, history) in enumerate(zip(configurations, state.histories, strict=True)):
        step, accuracies = (history.step[-1], history.validation_accuracy)
        if accuracies[-1] >= c.grokking_accuracy and (len(accuracies) == 1 or accuracies[-2] < c.grokking_accuracy):
            state.candidate[member] = state.flat[member]
        ended_before = len(history.step) > 1 and _done(c, _without_last(history))
        if ended_before:
            continue
        grokked = _grokked(c, history)
        just_known = grokked is not None and step == grokked + c.grokking_evaluations * c.evaluate_every
        if grokked is not None and just_known and (0 in c.measure_after_grokking):
            moments.append(Moment(member, grokked, state.candidate[member].cpu().clone()))
        on_grid = c.measure_every > 0 and step > 0 and (step % c.measure_every == 0)
        after = grokked is not None and step - grokked in c.measure_after_grokking and (step > grokked)
        if on_grid or after or done[member]:
            moments.append(Moment(member, step, state.flat[member].cpu().clone()))
    return Evaluation(state, moments, done)