// Frames of a sensor to JPEGs that carry their way back, and such JPEGs to the sensor's words (docs/embed.md):
//
//   invisp_frame forward.onnx frame.json frame.raw photo.jpg [BITS [STRIDE]]    photo.ppm: the codes alone
//   invisp_frame inverse.onnx frame.json photo.jpg frame.raw
//
// frame.json is what `invisp export frame` writes of a camera. BITS: 16 (words, the default), or 10 or 12 packed.
// STRIDE: bytes from one row to the next.
#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "graph.h"
#include "picture.h"
#include "unpack.h"

using json = nlohmann::json;
using Words = std::vector<uint16_t>;

Bytes read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("There is no file " + path + ".");
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string &path, const void *data, size_t bytes) {
    std::ofstream file(path, std::ios::binary);
    if (!file.write(static_cast<const char *>(data), bytes).flush())
        throw std::runtime_error(path + " could not be written.");
}

// The numbers of a frame as graphs take them, of the recipe that its record has.
struct Numbers {
    std::array<float, 4> black{};
    std::array<float, 3> gains{};
    std::array<float, 9> to_srgb{}, to_camera{};
    std::array<int32_t, 4> cfa{};
    float white;

    explicit Numbers(const json &recipe) : white(recipe.at("white").get<double>()) {
        if (!recipe.at("shading").empty())
            throw std::runtime_error("These weights see frames without their lens's shading, which is not done here.");
        for (int i = 0; i < 4; i++) black[i] = recipe.at("black")[i].get<double>();
        for (int i = 0; i < 3; i++) gains[i] = recipe.at("gains")[i].get<double>();
        for (int i = 0; i < 4; i++) cfa[i] = std::string("RGB").find(recipe.at("cfa").get<std::string>()[i]);
        const json &matrix = recipe.at("matrix");
        if (matrix.is_null()) return;
        auto m = [&](int row, int column) { return matrix[row % 3][column % 3].get<double>(); };
        auto minor = [&](int row, int column) {
            return m(row + 1, column + 1) * m(row + 2, column + 2) - m(row + 1, column + 2) * m(row + 2, column + 1);
        };
        const double determinant = m(0, 0) * minor(0, 0) + m(0, 1) * minor(0, 1) + m(0, 2) * minor(0, 2);
        for (int i = 0; i < 9; i++) to_srgb[i] = m(i / 3, i % 3);
        for (int i = 0; i < 9; i++) to_camera[i] = minor(i % 3, i / 3) / determinant;
    }

    // Those that the graph takes, and its picture under the name `name`.
    std::map<std::string, Tensor> tensors(const Graph &graph, const std::string &name, const Tensor &picture) const {
        const std::map<std::string, Tensor> all = {
            {name, picture}, {"black", {Type::f32, {4}, black.data()}}, {"white", {Type::f32, {1}, &white}},
            {"gains", {Type::f32, {3}, gains.data()}}, {"cfa", {Type::i32, {4}, cfa.data()}},
            {"to_srgb", {Type::f32, {3, 3}, to_srgb.data()}}, {"to_camera", {Type::f32, {3, 3}, to_camera.data()}}};
        std::map<std::string, Tensor> taken;
        for (const std::string &input : graph.inputs()) {
            if (!all.count(input)) throw std::runtime_error("The graph takes " + input + ", this program has none.");
            taken.insert(*all.find(input));
        }
        return taken;
    }
};

// Size of a record's picture and of the frame in it: alignment mirrors rows and columns around a frame.
struct Sizes {
    int64_t height, width, top, left, rows, columns;

    explicit Sizes(const json &record) {
        const json &added = record.at("alignment");
        height = record.at("height"), width = record.at("width"), top = added.at("top"), left = added.at("left");
        rows = height - top - added.at("bottom").get<int64_t>();
        columns = width - left - added.at("right").get<int64_t>();
    }
};

Words read_mosaic(const std::string &path, const Sizes &sizes, unsigned bits, size_t stride) {
    const Bytes data = read_file(path);
    const size_t least = packed_bytes(bits, sizes.columns);
    if (!stride) stride = least;
    if (stride < least || data.size() < stride * (sizes.rows - 1) + least)
        throw std::runtime_error(path + " has " + std::to_string(data.size()) + " bytes, expected " +
                                 std::to_string(sizes.rows) + " rows of at least " + std::to_string(least) + ".");
    Words mosaic(sizes.rows * sizes.columns);
    for (int64_t row = 0; row < sizes.rows; row++)
        unpack_row(&data[row * stride], bits, &mosaic[row * sizes.columns], sizes.columns);
    return mosaic;
}

// The white level that LibRaw's rendering takes: the brightest pixel, where that is above three quarters of the file's.
double adjusted_white(const Words &mosaic, const Sizes &sizes, const json &facts) {
    const auto black = facts.at("black").get<std::array<double, 4>>();
    const double white = facts.at("white"), base = *std::min_element(black.begin(), black.end());
    double brightest = 0;
    for (size_t i = 0; i < mosaic.size(); i++) {
        const size_t site = i / sizes.columns % 2 * 2 + i % sizes.columns % 2;
        brightest = std::max(brightest, mosaic[i] - black[site]);
    }
    return brightest > 0.75 * (white - base) && brightest < white - base ? base + brightest : white;
}

Words aligned(const Words &mosaic, const Sizes &sizes) {
    auto mirrored = [](int64_t place, int64_t size) {
        return place < 0 ? -place : place < size ? place : 2 * (size - 1) - place;
    };
    Words made(sizes.height * sizes.width);
    for (int64_t row = 0; row < sizes.height; row++)
        for (int64_t column = 0; column < sizes.width; column++)
            made[row * sizes.width + column] = mosaic[mirrored(row - sizes.top, sizes.rows) * sizes.columns +
                                                      mirrored(column - sizes.left, sizes.columns)];
    return made;
}

void check_weights(const Graph &graph, const json &record) {
    if (graph.weights() != record.at("weights").get<std::string>())
        throw std::runtime_error("The graph has other weights than the record names: take frame.json and the graph of "
                                 "one model.");
}

void check_mean(float mean) {
    if (!std::isfinite(mean)) throw std::runtime_error("The graph computed values that are not finite.");
}

void render(Graph &graph, const json &frame, const std::string &input, const std::string &output, unsigned bits,
            size_t stride) {
    json record = frame.at("record");
    check_weights(graph, record);
    const Sizes sizes(record);
    const Words mosaic = read_mosaic(input, sizes, bits, stride);
    if (frame.at("adjusts_white")) record["recipe"]["white"] = adjusted_white(mosaic, sizes, record.at("facts"));
    const Words words = aligned(mosaic, sizes);
    const Numbers numbers(record.at("recipe"));
    Bytes rgb(3 * words.size());
    const Tensor dn{Type::u8, {1, sizes.height, sizes.width, 2}, words.data()};  // the bytes of little-endian words
    check_mean(graph.run(numbers.tensors(graph, "mosaic", dn), "rgb", {1, sizes.height, sizes.width, 3}, rgb.data()));
    if (output.size() > 4 && output.substr(output.size() - 4) == ".ppm") {
        const std::string head = "P6\n" + std::to_string(sizes.width) + " " + std::to_string(sizes.height) + "\n255\n";
        rgb.insert(rgb.begin(), head.begin(), head.end());
        return write_file(output, rgb.data(), rgb.size());
    }
    const Bytes jpeg = encode_jpeg(rgb, record);
    record["digest"] = digest(frame.at("jpeg"), jpeg);
    const Bytes whole = with_record(jpeg, record);
    write_file(output, whole.data(), whole.size());
}

void recover(Graph &graph, const json &frame, const std::string &input, const std::string &output) {
    const Bytes jpeg = read_file(input);
    const auto [rgb, record] = decode_jpeg(jpeg);
    check_weights(graph, record);
    if (record.at("digest") != digest(frame.at("jpeg"), jpeg))
        throw std::runtime_error(input + " was edited since it was rendered, or in another form than frame.json's.");
    const Sizes sizes(record);
    if (std::min({sizes.height, sizes.width, sizes.rows, sizes.columns}) < 1 || std::min(sizes.top, sizes.left) < 0 ||
        sizes.height > 65535 || sizes.width > 65535 || rgb.size() != size_t(3) * sizes.height * sizes.width ||
        sizes.top + sizes.rows > sizes.height || sizes.left + sizes.columns > sizes.width)
        throw std::runtime_error("The record of " + input + " is of a picture of another size.");
    const Numbers numbers(record.at("recipe"));
    Words mosaic(sizes.height * sizes.width);
    const Tensor codes{Type::u8, {1, sizes.height, sizes.width, 3}, rgb.data()};
    check_mean(graph.run(numbers.tensors(graph, "rgb", codes), "mosaic", {1, sizes.height, sizes.width, 2},
                         reinterpret_cast<uint8_t *>(mosaic.data())));
    Words words;
    for (int64_t row = 0; row < sizes.rows; row++) {
        auto start = mosaic.begin() + (row + sizes.top) * sizes.width + sizes.left;
        words.insert(words.end(), start, start + sizes.columns);
    }
    write_file(output, words.data(), 2 * words.size());
}

int main(int count, char **words) try {
    if (count < 5 || count > 7) throw std::runtime_error("invisp_frame GRAPH frame.json INPUT OUTPUT [BITS [STRIDE]]");
    const int bits = count > 5 ? std::atoi(words[5]) : 16, stride = count > 6 ? std::atoi(words[6]) : 0;
    if (bits != 10 && bits != 12 && bits != 16) throw std::runtime_error("BITS is 10, 12 or 16.");
    if (stride < 0 || (count > 6 && !stride)) throw std::runtime_error("STRIDE is a number of bytes above 0.");
    Graph graph(words[1]);
    const Bytes text = read_file(words[2]);
    const json frame = json::parse(text);
    const std::vector<std::string> inputs = graph.inputs();
    if (std::find(inputs.begin(), inputs.end(), "mosaic") != inputs.end())
        render(graph, frame, words[3], words[4], bits, stride);
    else
        recover(graph, frame, words[3], words[4]);
    return 0;
} catch (const json::exception &error) {
    std::cerr << "Error: " << words[2] << " is not what `invisp export frame` writes: " << error.what() << "\n";
    return 1;
} catch (const std::exception &error) {
    std::cerr << "Error: " << error.what() << "\n";
    return 1;
}
