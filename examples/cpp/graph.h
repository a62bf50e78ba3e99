// A graph of `invisp export onnx`, opened once and run for every frame. One of the files backend_*.cpp computes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

enum class Type { u8, i32, f32 };

// An input of a graph. The data are the caller's.
struct Tensor {
    Type type;
    std::vector<int64_t> shape;
    const void *data;

    size_t bytes() const {
        size_t count = type == Type::u8 ? 1 : 4;
        for (int64_t side : shape) count *= side;
        return count;
    }
};

class Graph {
public:
    explicit Graph(const std::string &path);
    ~Graph();

    // SHA-256 of the weights, as the graph's metadata say; the record of a picture names the same.
    std::string weights() const;

    // Names of all inputs: `mosaic` or `rgb`, and the numbers of a frame that this graph takes.
    std::vector<std::string> inputs() const;

    // Computes the uint8 output of that name, which has the shape `shape`, and returns the output `mean`.
    float run(const std::map<std::string, Tensor> &inputs, const std::string &output,
              const std::vector<int64_t> &shape, uint8_t *made);

private:
    struct State;
    std::unique_ptr<State> state;
};
