// An engine of `invisp export engine` in TensorRT 10.3 or later, for frames of a size that its profile takes.
#include <NvInfer.h>
#include <cuda_runtime_api.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "graph.h"

namespace {

struct Log : nvinfer1::ILogger {
    void log(Severity severity, const char *text) noexcept override {
        if (severity <= Severity::kERROR) std::cerr << text << "\n";
    }
};

void check(cudaError_t status) {
    if (status != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status) + ".");
}

std::string contents(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("There is no " + path + ": an engine has its sidecar beside it.");
    return {std::istreambuf_iterator<char>(file), {}};
}

// Memory of the device that is given back.
struct Buffer {
    void *place = nullptr;
    explicit Buffer(size_t bytes) { check(cudaMalloc(&place, bytes)); }
    Buffer(Buffer &&other) noexcept : place(std::exchange(other.place, nullptr)) {}
    ~Buffer() { cudaFree(place); }
};

}  // namespace

struct Graph::State {
    Log log;
    std::string weights;
    std::unique_ptr<nvinfer1::IRuntime> runtime;
    std::unique_ptr<nvinfer1::ICudaEngine> engine;
    std::unique_ptr<nvinfer1::IExecutionContext> context;
};

Graph::Graph(const std::string &path) : state(new State) {
    int devices = 0;
    check(cudaGetDeviceCount(&devices));  // without a device TensorRT ends the program
    state->weights = nlohmann::json::parse(contents(path + ".json")).at("graph").at("invisp.weights");
    const std::string plan = contents(path);
    state->runtime.reset(nvinfer1::createInferRuntime(state->log));
    state->engine.reset(state->runtime->deserializeCudaEngine(plan.data(), plan.size()));
    if (!state->engine) throw std::runtime_error(path + " is no engine of this TensorRT and GPU: build it here.");
    state->context.reset(state->engine->createExecutionContext());
}

Graph::~Graph() = default;

std::string Graph::weights() const { return state->weights; }

std::vector<std::string> Graph::inputs() const {
    std::vector<std::string> names;
    for (int index = 0; index < state->engine->getNbIOTensors(); index++) {
        const char *name = state->engine->getIOTensorName(index);
        if (state->engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT) names.push_back(name);
    }
    return names;
}

float Graph::run(const std::map<std::string, Tensor> &inputs, const std::string &output,
                 const std::vector<int64_t> &shape, uint8_t *made) {
    std::vector<Buffer> buffers;
    for (const auto &[name, given] : inputs) {
        nvinfer1::Dims sides{static_cast<int32_t>(given.shape.size()), {}};
        std::copy(given.shape.begin(), given.shape.end(), sides.d);
        if (!state->context->setInputShape(name.c_str(), sides))
            throw std::runtime_error("The engine does not take frames of this size: build it for it (--tile HxW).");
        buffers.emplace_back(given.bytes());
        check(cudaMemcpy(buffers.back().place, given.data, given.bytes(), cudaMemcpyHostToDevice));
        state->context->setTensorAddress(name.c_str(), buffers.back().place);
    }
    const size_t bytes = Tensor{Type::u8, shape, nullptr}.bytes();
    Buffer picture(bytes), mean(sizeof(float));
    state->context->setTensorAddress(output.c_str(), picture.place);
    state->context->setTensorAddress("mean", mean.place);
    if (!state->context->enqueueV3(nullptr)) throw std::runtime_error("TensorRT could not run the engine.");
    float value = 0;
    check(cudaMemcpy(made, picture.place, bytes, cudaMemcpyDeviceToHost));
    check(cudaMemcpy(&value, mean.place, sizeof value, cudaMemcpyDeviceToHost));
    return value;
}
