def training_step(flat, first, second, step, questions, answers, weights, learning_rate, weight_decay, arch, betas, precision):
    gradient = torch.func.grad(batch_loss)(flat, questions, answers, weights, arch, precision)
    return adamw(flat, gradient, first, second, step, learning_rate, weight_decay, betas)