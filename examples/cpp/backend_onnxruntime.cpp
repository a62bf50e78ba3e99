// The graph in ONNX Runtime on the CPU, by the C++ header over its C API.
#include <onnxruntime_cxx_api.h>

#include "graph.h"

struct Graph::State {
    Ort::Env environment{ORT_LOGGING_LEVEL_ERROR, "invisp"};
    Ort::Session session{nullptr};
    Ort::AllocatorWithDefaultOptions allocator;
    Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);

    Ort::Value tensor(const Tensor &given) const {
        const std::map<Type, ONNXTensorElementDataType> types = {{Type::u8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},
                                                                 {Type::i32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
                                                                 {Type::f32, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT}};
        return Ort::Value::CreateTensor(memory, const_cast<void *>(given.data), given.bytes(), given.shape.data(),
                                        given.shape.size(), types.at(given.type));
    }
};

Graph::Graph(const std::string &path) : state(new State) {
    state->session = Ort::Session(state->environment, path.c_str(), Ort::SessionOptions());
}

Graph::~Graph() = default;

std::string Graph::weights() const {
    auto found = state->session.GetModelMetadata().LookupCustomMetadataMapAllocated("invisp.weights", state->allocator);
    return found ? found.get() : "";
}

std::vector<std::string> Graph::inputs() const {
    std::vector<std::string> names;
    for (size_t index = 0; index < state->session.GetInputCount(); index++)
        names.push_back(state->session.GetInputNameAllocated(index, state->allocator).get());
    return names;
}

float Graph::run(const std::map<std::string, Tensor> &inputs, const std::string &output,
                 const std::vector<int64_t> &shape, uint8_t *made) {
    std::vector<const char *> given_names;
    std::vector<Ort::Value> given, results;
    for (const auto &[name, tensor] : inputs) {
        given_names.push_back(name.c_str());
        given.push_back(state->tensor(tensor));
    }
    float mean = 0;
    const char *result_names[] = {output.c_str(), "mean"};
    results.push_back(state->tensor({Type::u8, shape, made}));  // written in place
    results.push_back(state->tensor({Type::f32, {1}, &mean}));
    state->session.Run(Ort::RunOptions(), given_names.data(), given.data(), given.size(), result_names, results.data(),
                       results.size());
    return mean;
}
