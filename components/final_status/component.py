"""KFP component of the exit handler."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def final_status(
    run: str,
    data: str,
    notify: bool,
    table: dsl.Output[dsl.Markdown],
):
    """Record how the run really ended, in MLflow, and tell the webhook where there is one.

    It runs whatever happened before it, and is never taken from a cache. It asks for no status:
    to fill one in KFP goes through all tasks of the run, and gives up where one is there twice.

    Args:
        run: Id of the run in KFP.
        data: Address of the photos.
        notify: Whether to post to the webhook.
        table: How it really ended, for the UI.
    """
    from components.final_status.close import close_run

    close_run(run=run, data=data, notify=notify, page=table.path)
