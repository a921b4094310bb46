def batch_loss(flat, questions, answers, weights, arch, precision):
    logits = read_out(arch, flat, final_state(arch, flat, questions, precision), precision)
    return (cross_entropy(logits, answers) * weights).sum()