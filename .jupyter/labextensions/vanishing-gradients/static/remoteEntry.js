// JupyterLab draws a PNG without the alt text that the notebook holds for it
// (metadata["image/png"].alt); this adds it. Written by hand, in the form in which JupyterLab
// loads an extension (a webpack module federation container), so that nothing needs building.
(() => {
  let shared; // the packages that JupyterLab shares with its extensions

  async function imported(name) {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  }

  function describe(registry) {
    const images = registry.getFactory('image/png');
    function createRenderer(options) {
      const renderer = images.createRenderer(options);
      const renderModel = renderer.renderModel.bind(renderer);
      renderer.renderModel = async model => {
        await renderModel(model);
        const alt = model.metadata[options.mimeType]?.alt;
        const picture = renderer.node.querySelector('img');
        if (alt && picture) {
          picture.alt = alt;
        }
      };
      return renderer;
    }
    registry.addFactory({ ...images, createRenderer });
  }

  async function extension() {
    const { IRenderMimeRegistry } = await imported('@jupyterlab/rendermime');
    const plugin = {
      id: 'vanishing-gradients:alt-text',
      autoStart: true,
      requires: [IRenderMimeRegistry],
      activate: (app, registry) => describe(registry)
    };
    return () => ({ __esModule: true, default: plugin });
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB['vanishing-gradients'] = {
    init: scope => {
      shared = scope;
    },
    get: extension
  };
})();
