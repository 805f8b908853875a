// Segment a photo with a folder exported by --backend openvino:
//
//     segment_openvino exported/model.xml photo.ppm labels.pgm
#include <iostream>
#include <openvino/openvino.hpp>

#include "netpbm.h"

int main(int argc, char** argv) try {
    if (argc != 4) {
        throw std::runtime_error("usage: segment_openvino model.xml photo.ppm labels.pgm");
    }
    Image image = read_ppm(argv[2]);
    ov::Core core;
    ov::CompiledModel network = core.compile_model(
        argv[1], "CPU", ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
        // a processor with bfloat16 would compute in it and give other labels
        ov::hint::inference_precision(ov::element::f32));

    const ov::Shape shape{1, image.height, image.width, 3};
    const ov::PartialShape taken = network.input().get_partial_shape();
    if (!taken.compatible(shape) || network.input().get_element_type() != ov::element::u8) {
        throw std::runtime_error(std::string(argv[2]) + ": is " +
                                 ov::PartialShape(shape).to_string() + ", the network takes " +
                                 taken.to_string());
    }
    ov::InferRequest request = network.create_infer_request();
    request.set_input_tensor(ov::Tensor(ov::element::u8, shape, image.bgr.data()));
    request.infer();

    const ov::Tensor labels = request.get_output_tensor();
    const ov::Shape given = labels.get_shape();  // 1, height, width
    write_pgm(argv[3], labels.data<std::uint8_t>(), given.at(1), given.at(2));
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
