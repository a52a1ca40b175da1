"""KFP component of the exit handler."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def final_status(
    run: str,
    data: str,
    notify: bool,
    status: dsl.PipelineTaskFinalStatus,
    table: dsl.Output[dsl.Markdown],
):
    """Record how the run really ended, in MLflow, and tell the webhook where there is one.

    It runs whatever happened before it, and is never taken from a cache.

    Args:
        run: Id of the run in KFP.
        data: Address of the photos.
        notify: Whether to post to the webhook.
        status: What KFP says about the run.
        table: How it really ended, for the UI.
    """
    from components.final_status.close import close_run

    close_run(
        run=run,
        data=data,
        notify=notify,
        said=status.state,
        task=status.pipeline_task_name,
        error=status.error_message,
        page=table.path,
    )
