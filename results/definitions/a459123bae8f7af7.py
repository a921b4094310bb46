def final_states(configuration, parameters, questions):
    flat = parameters[None]
    with torch.no_grad():
        batches = [final_state(configuration.architecture, flat, rows[None], configuration.precision)[0] for rows in torch.from_numpy(questions).split(1024)]
    return torch.cat(batches).double().numpy()