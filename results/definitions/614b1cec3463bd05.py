def batch_loss(flat, batch, network, precision, penalty=None, directions=0, random=None):
    states = network.final_state(flat, batch.questions, precision)
    losses = cross_entropy(network.read_out(flat, states, precision), batch.answers)
    if penalty is not None:
        present = (batch.weights > 0).to(states.dtype)
        asked, arch = ((batch.questions[..., 1], batch.answers, present), network.arch)
        cut = without_directions(states, *asked, arch, directions, random)
        losses = losses + penalty * cross_entropy(network.read_out(flat, cut, precision), batch.answers)
    return (losses * batch.weights).sum()