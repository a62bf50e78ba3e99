// The graph in OpenVINO on the CPU, with the settings of invisp-run's OpenVINO.
#include <openvino/openvino.hpp>

#include <cstring>

#include "graph.h"

struct Graph::State {
    std::string weights;
    ov::CompiledModel model;
    ov::InferRequest request;
};

Graph::Graph(const std::string &path) : state(new State) {
    ov::Core core;
    auto model = core.read_model(path);
    state->weights = model->get_rt_info<std::string>("framework", "invisp.weights");
    // without an upper bound its plans for sizes overflow where sides are doubled
    ov::PartialShape shape = model->input(0).get_partial_shape();
    shape[1] = shape[2] = ov::Dimension(1, 65536);
    model->reshape({{model->input(0).get_any_name(), shape}});
    state->model = core.compile_model(model, "CPU", ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                                      ov::hint::inference_precision(ov::element::f32));
    state->request = state->model.create_infer_request();
}

Graph::~Graph() = default;

std::string Graph::weights() const { return state->weights; }

std::vector<std::string> Graph::inputs() const {
    std::vector<std::string> names;
    for (const auto &input : state->model.inputs()) names.push_back(input.get_any_name());
    return names;
}

float Graph::run(const std::map<std::string, Tensor> &inputs, const std::string &output,
                 const std::vector<int64_t> &shape, uint8_t *made) {
    const std::map<Type, ov::element::Type> types = {
        {Type::u8, ov::element::u8}, {Type::i32, ov::element::i32}, {Type::f32, ov::element::f32}};
    for (const auto &[name, given] : inputs) {
        ov::Shape sides(given.shape.begin(), given.shape.end());
        state->request.set_tensor(name, ov::Tensor(types.at(given.type), sides, const_cast<void *>(given.data)));
    }
    state->request.infer();
    ov::Tensor result = state->request.get_tensor(output);
    if (result.get_shape() != ov::Shape(shape.begin(), shape.end()))
        throw std::runtime_error("The graph returned another size than its frame has: it is not one of invisp.");
    std::memcpy(made, result.data(), result.get_byte_size());
    return *state->request.get_tensor("mean").data<float>();
}
