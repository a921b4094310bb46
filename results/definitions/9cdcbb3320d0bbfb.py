def _ready(function, *tensors):
    if tensors[0].device.type != 'cuda':
        return partial(function, *tensors)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            function(*(tensor.clone() for tensor in tensors))
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(*tensors)
    replay: None = graph.replay
    return replay