// Segment a photo with a folder exported by --backend onnx:
//
//     segment_onnxruntime exported/model.onnx photo.ppm labels.pgm
#include <onnxruntime_cxx_api.h>

#include <filesystem>
#include <iostream>

#include "netpbm.h"

int main(int argc, char** argv) try {
    if (argc != 4) {
        throw std::runtime_error("usage: segment_onnxruntime model.onnx photo.ppm labels.pgm");
    }
    Image image = read_ppm(argv[2]);
    Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "segment");
    env.DisableTelemetryEvents();
    Ort::SessionOptions options;  // options.SetIntraOpNumThreads(2) for two threads
    Ort::Session session(env, std::filesystem::path(argv[1]).c_str(), options);
    Ort::AllocatorWithDefaultOptions allocator;
    const Ort::AllocatedStringPtr input_name = session.GetInputNameAllocated(0, allocator);
    const Ort::AllocatedStringPtr output_name = session.GetOutputNameAllocated(0, allocator);
    const char* inputs[] = {input_name.get()};
    const char* outputs[] = {output_name.get()};

    const std::int64_t shape[] = {1, static_cast<std::int64_t>(image.height),
                                  static_cast<std::int64_t>(image.width), 3};
    const Ort::Value pixels = Ort::Value::CreateTensor<std::uint8_t>(
        Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault), image.bgr.data(),
        image.bgr.size(), shape, std::size(shape));
    // another size than the network's throws
    const auto labels = session.Run(Ort::RunOptions{}, inputs, &pixels, 1, outputs, 1);
    const auto given = labels[0].GetTensorTypeAndShapeInfo().GetShape();  // 1, height, width
    write_pgm(argv[3], labels[0].GetTensorData<std::uint8_t>(), given.at(1), given.at(2));
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
