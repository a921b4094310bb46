def _evaluate(evaluate_function, state, questions, answers, training_mask):
    members, count = training_mask.shape
    losses, correct = ([], [])
    for start in range(0, count, EVALUATION_ROWS):
        rows = torch.arange(start, start + EVALUATION_ROWS, device=questions.device) % count
        rows = rows.expand(members, -1)
        loss, right = evaluate_function(state.flat, questions[rows], answers[rows])
        losses.append(loss)
        correct.append(right)
    loss = torch.cat(losses, dim=1)[:, :count].double()
    right = torch.cat(correct, dim=1)[:, :count].double()
    validation_mask = 1 - training_mask
    columns = [(values * mask).sum(1) / mask.sum(1) for mask in (training_mask, validation_mask) for values in (loss, right)]
    for history, row in zip(state.histories, torch.stack(columns, dim=1).tolist(), strict=True):
        if not np.isfinite(row[0]):
            raise FloatingPointError(f'the training loss is {row[0]} at step {state.step}')
        history.step.append(state.step)
        history.train_loss.append(row[0])
        history.train_accuracy.append(row[1])
        history.validation_loss.append(row[2])
        history.validation_accuracy.append(row[3])