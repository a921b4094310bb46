def batch_loss(flat, batch, arch, precision, penalty=None, directions=0):
    states = final_state(arch, flat, batch.questions, precision)
    losses = cross_entropy(read_out(arch, flat, states, precision), batch.answers)
    if penalty is not None:
        present = (batch.weights > 0).to(states.dtype)
        cut = without_contrasts(states, batch.questions[..., 1], batch.answers, present, arch, directions)
        losses = losses + penalty * cross_entropy(read_out(arch, flat, cut, precision), batch.answers)
    return (losses * batch.weights).sum()